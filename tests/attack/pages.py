"""What the appliance under attack serves: the pages of tests/real, so that one image is built for both."""
from image.settings import ROOT

INDEX = (ROOT / "firmware" / "app" / "www" / "index.html").read_bytes()
BIG_BYTES = 100_001
