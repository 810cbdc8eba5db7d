"""All scripts: importing their modules has filled the registers."""
from tests.agree import scripts_http, scripts_ip, scripts_tcp, scripts_timed      # noqa: F401
from tests.agree.registry import SCRIPTS, SECOND, TIMED             # noqa: F401
