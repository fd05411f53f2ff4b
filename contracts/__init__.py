"""The contract language: what each entity promises."""
