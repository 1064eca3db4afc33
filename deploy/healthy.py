"""Ends with 0 if the service of this container answers under ``HEALTH_URL``, with 1 if not."""

import http.client
import os
import sys
from urllib.parse import urlsplit

SECONDS = 4

url = urlsplit(os.environ["HEALTH_URL"])
try:
    connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=SECONDS)
    connection.request("GET", url.path)
    status = connection.getresponse().status
except (OSError, http.client.HTTPException) as error:
    sys.exit(f"{url.geturl()}: {error}")
sys.exit(0 if status < http.client.BAD_REQUEST else f"{url.geturl()} answered {status}")
