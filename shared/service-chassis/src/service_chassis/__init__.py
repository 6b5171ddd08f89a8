"""How a service runs: settings, Kafka, MongoDB, logs, health, metrics."""
