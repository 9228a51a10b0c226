"""The far side: the one place that talks to the usage endpoint."""
