"""How Serinus bears a fleet: thousands of models, many rolling at once, on real Envoy and Prometheus."""
