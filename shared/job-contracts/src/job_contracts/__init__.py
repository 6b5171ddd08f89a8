"""What the services say to one another: lifecycle, messages, topics, records."""
