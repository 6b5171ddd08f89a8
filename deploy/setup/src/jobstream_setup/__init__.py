"""Creates the topics; a one-shot that runs before the services."""
