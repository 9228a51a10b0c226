"""Made-up people, to see how good the forecast is, and what it is better than."""
