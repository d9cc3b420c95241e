"""For the whole suite."""

from hypothesis import HealthCheck, settings

# How long hypothesis takes to make and to try an example says something of the machine, not of the product
settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")
