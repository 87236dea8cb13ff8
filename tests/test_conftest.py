from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings


def test_no_property_fails_because_the_machine_is_busy():
    unsaid = hypothesis_settings(max_examples=10)
    assert unsaid.deadline is None
    assert HealthCheck.too_slow in unsaid.suppress_health_check
