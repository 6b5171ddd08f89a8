"""Claims jobs, runs their tasks, wakes what is due."""
