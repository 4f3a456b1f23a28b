"""A configuration file as a user may have it, for several tests of ``mai config``."""

CONTOSO = "https://contoso.services.ai.azure.com"
WORK_ENDPOINT = "https://work.services.ai.azure.com"
USER_FILE = f"""\
# mine
endpoint = "{CONTOSO}"
size = "16:9"  # wide

[profiles.work]
endpoint = "{WORK_ENDPOINT}"
deployment = "mai-image-26"

[profiles."at home"]
size = "1:1"
"""
