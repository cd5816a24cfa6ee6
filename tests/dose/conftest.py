"""The Python that calculates doses, if there is one."""

from pathlib import Path

import pytest

from medcycle.dose.engine import SETTING, require_engine
from medcycle.errors import UsageError

OWN = Path(__file__).parents[2] / ".venv-dose" / "bin" / "python"


@pytest.fixture
def dose_engine(monkeypatch: pytest.MonkeyPatch) -> str:
    if OWN.is_file():
        monkeypatch.setenv(SETTING, str(OWN))
    try:
        return require_engine()
    except UsageError as error:
        pytest.skip(f"no pyRadPlan; .ci/install-dose installs it ({error})")
