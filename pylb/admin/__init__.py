"""The operator's side: metrics, health, readiness."""
