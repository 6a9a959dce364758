"""What failed calls look like: the data that ``statuses``, ``words``, ``retry_after`` and ``retryable`` go by.

No client is imported and none is asked for by its class.  What counts is where an error keeps the status of its answer,
which word its provider has for what went wrong, and what its classes are called.
"""

from __future__ import annotations

STATUSES = (
    ("status_code",),  # anthropic, openai, azure, elasticsearch; class attributes of errors of one's own
    ("http_status",),  # stripe, voyageai
    ("status",),  # aiohttp
    ("response", "status_code"),  # requests, httpx
    ("response", "status"),  # urllib3
    ("response", "ResponseMetadata", "HTTPStatusCode"),  # botocore
    ("meta", "status"),  # elastic_transport
)
"""Where an error has the HTTP status of its answer: attributes, or keys where there are dicts."""

NUMBERS = (("code",),)
"""Places that may hold a status as well, in errors that have any of ``COMPANIONS``; else they may mean anything."""

COMPANIONS = ("response", "headers", "body", "grpc_status_code", "trailing_metadata")

HEADERS = (
    ("response", "headers"),
    ("headers",),
    ("response", "ResponseMetadata", "HTTPHeaders"),
    ("meta", "headers"),
)

BODIES = ("body", "json_body", "details")
"""Attributes that may hold what the provider has said, as a dict.  The response's own content is looked at too."""

WORDS = (
    ("error", "code"),
    ("error", "type"),
    ("error", "status"),
    ("Error", "Code"),
    ("code",),
    ("type",),
    ("status",),
)
"""Where a body has the provider's word."""

CODES = {
    # https://docs.anthropic.com/en/api/errors
    "invalidrequesterror": 400,
    "authenticationerror": 401,
    "billingerror": 402,
    "permissionerror": 403,
    "notfounderror": 404,
    "conflicterror": 409,
    "requesttoolarge": 413,
    "ratelimiterror": 429,
    "apierror": 500,
    "timeouterror": 504,
    "overloadederror": 529,
    # OpenAI and what speaks its protocol
    "ratelimitexceeded": 429,
    "ratelimitreached": 429,
    "tokens": 429,  # the type of that error, where it is one of tokens
    "insufficientquota": 429,
    "servererror": 500,
    "internalservererror": 500,
    # Amazon; those of throttling are botocore's own list (botocore/retries/standard.py)
    "throttling": 429,
    "throttled": 429,
    "requestthrottled": 429,
    "ec2throttled": 429,
    "toomanyrequests": 429,
    "provisionedthroughputexceeded": 429,
    "requestlimitexceeded": 429,
    "bandwidthlimitexceeded": 429,
    "limitexceeded": 429,
    "slowdown": 429,
    "modelnotready": 429,
    "requesttimeout": 408,
    "modeltimeout": 408,
    "internalserver": 500,
    "internalfailure": 500,
    "modelstreamerror": 500,  # "retry your request", say the docs of Bedrock
    "serviceunavailable": 503,
    # gRPC and Google's services: google/rpc/code.proto
    "cancelled": 499,
    "unknown": 500,
    "invalidargument": 400,
    "deadlineexceeded": 504,
    "notfound": 404,
    "alreadyexists": 409,
    "permissiondenied": 403,
    "resourceexhausted": 429,
    "failedprecondition": 400,
    "aborted": 409,
    "outofrange": 400,
    "unimplemented": 501,
    "internal": 500,
    "unavailable": 503,
    "dataloss": 500,
    "unauthenticated": 401,
}
"""The status that stands for a word, which is written in small letters and without ``_`` and a final "Exception"."""

ACCOUNT = frozenset(
    {
        "accessterminated",
        "accountdeactivated",
        "arrearage",
        "billinghardlimitreached",
        "billingnotactive",
        "exceededcurrentquotaerror",
        "insufficientbalance",
        "insufficientcredits",
        "insufficientquota",
        "organizationdeactivated",
    }
)
"""Words for what all calls of an account will be told until somebody has done something about it, such as pay."""

FINAL = ACCOUNT | {"alreadyexists", "unimplemented"}
"""Words for what will be the same the next time, whatever the status is."""

BROKEN = frozenset(
    {
        "APIConnectionError",
        "APIResponseValidationError",
        "APITimeoutError",
        "AutoReconnect",
        "ChunkedEncodingError",
        "ClientConnectionError",
        "ClientPayloadError",
        "ConnectTimeout",
        "ConnectionError",
        "ConnectionFailure",
        "ConnectionTimeout",
        "ContentDecodingError",
        "DecodingError",
        "DisconnectionError",
        "EmptyPoolError",
        "HTTPClientError",
        "IncompleteRead",
        "IncompleteReadError",
        "MaxRetryError",
        "NetworkError",
        "NetworkTimeout",
        "ProtocolError",
        "ProxyError",
        "ReadTimeout",
        "ReadTimeoutError",
        "RetryableError",
        "ServiceRequestError",
        "ServiceResponseError",
        "ServiceUnavailableError",
        "TimeoutException",
    }
)
"""Names of classes of errors, in whatever package, that mean a connection that failed, broke or took too long."""

BROKEN_IN = frozenset(
    f"{package}.{name}"
    for package, names in {
        "http": "BadStatusLine",
        "httpx": "TransportError",
        "httpx2": "TransportError",
        "redis": "ClusterDownError MasterDownError TimeoutError TryAgainError",
        "requests": "JSONDecodeError RetryError Timeout",
        "sqlalchemy": "TimeoutError",
        "ssl": "SSLEOFError SSLZeroReturnError",
        "tenacity": "TryAgain",
        "urllib3": "DecodeError SSLError TimeoutError",
        "voyageai": "Timeout TryAgain",
    }.items()
    for name in names.split()
)
"""The same, of names that could mean something else in another package."""

HOPELESS = frozenset(
    {
        "AuthenticationError",
        "AuthorizationError",
        "LocalProtocolError",
        "SSLCertVerificationError",
        "TlsError",
        "UnsupportedProtocol",
    }
)
"""Names of classes of what will be wrong next time too, even in, or beneath, one of the above."""

SQL_STATES = ("08", "40001", "40P01", "53300", "57P01", "57P02", "57P03")
"""Beginnings of SQLSTATE codes: the connection broke; deadlocks; a server that is full, stops or starts."""

SQL_NUMBERS = frozenset({1040, 1205, 1213, 2002, 2003, 2006, 2013, 2055})
"""The same as MySQL's drivers have them, in the arguments of an ``OperationalError`` or ``InterfaceError``."""
