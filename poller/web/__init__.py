"""What others may look at: the page, the API, the event stream and the metrics."""
