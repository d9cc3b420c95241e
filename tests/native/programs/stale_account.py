"""Destroys the object of a deleted account while another account has its number; says what happened to that one.

python -m tests.native.programs.stale_account
"""

import gc
import json

import pjsua2 as pj

from ..bench import quiet_endpoint


def account(user: str) -> pj.Account:
    config = pj.AccountConfig()
    config.idUri = f"sip:{user}@127.0.0.1"
    made = pj.Account()
    made.create(config)
    return made


def main() -> dict[str, bool]:
    with quiet_endpoint() as endpoint:
        endpoint.transportCreate(pj.PJSIP_TRANSPORT_UDP, pj.TransportConfig())
        kept = [account("first")]
        first_id = kept[0].getId()
        kept[0].shutdown()
        second = account("second")
        same_id = second.getId() == first_id
        kept.clear()
        gc.collect()
        survived = second.isValid() and second.getInfo().uri == "sip:second@127.0.0.1"
        second.shutdown()
        gone = not second.isValid()
    return {"same_id": same_id, "survived": survived, "gone_when_told": gone}


if __name__ == "__main__":
    print(json.dumps(main()))
