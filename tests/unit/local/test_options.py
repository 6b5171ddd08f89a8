from pathlib import Path

import pytest

from jobstream_local.options import OptionError, Options
from jobstream_local.stack import Ports, Replicas


def test_without_settings_the_documented_ports_and_one_of_each_service() -> None:
    options = Options.read({})
    assert options.home == Path(".local")
    assert options.ports == Ports(api=8000, web=5173, kafka=9092, mongo=27017)
    assert options.replicas == Replicas(api=1, job_worker=1, result_worker=1, dlq_worker=1)
    assert (options.bootstrap_servers, options.mongo_uri, options.detach) == (None, None, False)


def test_every_documented_setting_is_read() -> None:
    options = Options.read(
        {
            "JOBSTREAM_HOME": "/srv/jobs",
            "API_PORT": "1",
            "WEB_PORT": "2",
            "KAFKA_PORT": "3",
            "MONGO_PORT": "4",
            "API_REPLICAS": "2",
            "JOB_WORKERS": "3",
            "RESULT_WORKERS": "4",
            "DLQ_WORKERS": "5",
            "KAFKA__BOOTSTRAP_SERVERS": "k:9092",
            "MONGO__URI": "mongodb://m",
            "DETACH": "1",
        }
    )
    assert options == Options(
        home=Path("/srv/jobs"),
        ports=Ports(api=1, web=2, kafka=3, mongo=4),
        replicas=Replicas(api=2, job_worker=3, result_worker=4, dlq_worker=5),
        bootstrap_servers="k:9092",
        mongo_uri="mongodb://m",
        detach=True,
    )


@pytest.mark.parametrize(
    ("name", "value"), [("API_PORT", "http"), ("WEB_PORT", "70000"), ("JOB_WORKERS", "-1")]
)
def test_a_value_that_makes_no_sense_is_named(name: str, value: str) -> None:
    with pytest.raises(OptionError, match=f"{name}={value}: a whole number"):
        Options.read({name: value})


@pytest.mark.parametrize("off", ["", "0", "no"])
def test_detach_can_be_switched_off_by_name(off: str) -> None:
    assert Options.read({"DETACH": off}).detach is False
