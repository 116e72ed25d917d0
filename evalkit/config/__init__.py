"""From Hydra's configuration to a request; the only package that knows OmegaConf."""
