"""Prints the names of the SRTP suites that this build has.

python -m tests.native.programs.srtp_suites
"""

import json

from ..bench import quiet_endpoint


def main() -> None:
    with quiet_endpoint() as endpoint:
        print(json.dumps(list(endpoint.srtpCryptoEnum())))


if __name__ == "__main__":
    main()
