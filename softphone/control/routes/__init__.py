"""The resources under /v1, one module each. Handlers call the agent and nothing else."""
