"""All scripts: importing their modules has filled the registers."""
from tests.agree import (scripts_http, scripts_ip, scripts_limits, scripts_receive, scripts_sack, scripts_tcp,      # noqa: F401
                         scripts_timed)     # noqa: F401
from tests.agree.registry import LIMITED, SCRIPTS, SECOND, TIMED    # noqa: F401
