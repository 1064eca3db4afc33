"""What is watched: the dashboard is drawn here, Prometheus and its alerts lie beside it."""
