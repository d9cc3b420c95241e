"""A tour of the lab for people who write clients of the service: orders, a fault, events. Standard library only.

softphone lab --api-port 8080 &
python examples/lab_tour.py http://127.0.0.1:8080
"""

import http.client
import json
import sys
import urllib.error
import urllib.request


def ask(method, url, body=None, **headers):
    """One request; returns status and JSON."""
    headers = {"Accept": "application/json", "Content-Type": "application/json", **headers}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            content = answer.read()
            return answer.status, json.loads(content) if content else None
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def main(lab):
    # a customer of our own, so that nobody else's tests are disturbed
    _, tenant = ask("POST", f"{lab}/lab/v1/tenants", {"domain": "tour.lab.test", "extensions": ["901"]})
    token = {"X-API-TOKEN": tenant["api_token"]}
    domain = tenant["domain_uuid"]
    try:
        order = {"route": "order", "type": "line", "domain_uuid": domain, "options": {"starter": 2}}
        print("ordered:", ask("POST", f"{lab}/api.php", order, **token))
        _, listed = ask("GET", f"{lab}/api/pbx/v1/extension/list?domain_uuid={domain}", **token)
        print("extensions:", [row["extension"] for row in listed["data"]])

        # the answer to an order gets lost: was it taken? never order again, look
        ask("POST", f"{lab}/lab/v1/faults", {"part": "billing", "kind": "lost_answer", "times": 1})
        did = {"route": "order", "type": "did", "domain_uuid": domain, "country": "FR", "location": "Paris"}
        try:
            ask("POST", f"{lab}/api.php", {**did, "extension": "901"}, **token)
        except (http.client.HTTPException, OSError) as error:
            print("no answer to the order:", type(error).__name__)
        _, orders = ask("GET", f"{lab}/api.php?route=order&type=didlist&domain_uuid={domain}", **token)
        print("but it is in the list:", [row["number"] for row in orders["return"]])

        print(
            "a call without a phone:",
            ask(
                "POST",
                f"{lab}/api/pbx/v1/active_call/call",
                {"domain_uuid": domain, "src": "901", "destination": "902"},
                **token,
            ),
        )
        _, events = ask("GET", f"{lab}/lab/v1/events?name=did_accepted")
        print("the lab saw:", events["events"][-1]["data"])
    finally:
        ask("DELETE", f"{lab}/lab/v1/tenants/tour.lab.test")


if __name__ == "__main__":
    main(sys.argv[1].rstrip("/"))
