"""Others' services that tasks call: one quota, one breaker and one answer to a question, for all workers."""
