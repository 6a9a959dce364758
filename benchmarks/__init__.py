"""What threadfan costs and how fast it is, measured against the standard library and other pools."""
