"""RFC 4475 sections 3.1.2 to 3.4: what is wrong, what a transaction or an application must find wrong, and the old."""

from __future__ import annotations

from tests.support.torture.build import CALL, Message, invite, plain, request

INVALID = [
    Message(
        "badinv01",
        "3.1.2.1",
        invite(
            "To: sip:j.user@example.com",
            "Via: SIP/2.0/UDP 192.0.2.15;;,;,,",
            'Contact: "Joe" <sip:joe@example.org>;;;;',
            call="badinv01.0ha0isndaksdjasdf3234nas",
        ),
        (400, None),
    ),
    Message("clerr", "3.1.2.2", invite("Content-Length: 9999", call="clerr.0ha0isndaksdjweiafasdk3"), (400, None, 200)),
    Message("ncl", "3.1.2.3", invite("Content-Length: -999", call="ncl.0ha0isndaksdj2193423r542w35"), (400, None)),
    Message(
        "scalar02",
        "3.1.2.4",
        request(
            "REGISTER",
            "CSeq: 36893488147419103232 REGISTER",
            "Max-Forwards: 300",
            "Expires: 10000000000000000000000000000000000000000000000000000000000000000000000",
            "Contact: <sip:user@host129.example.com>;expires=280297596632815",
            call="scalar02.23o0pd9vanlq3wnrlnewofjas9ui32",
            uri="sip:example.com",
        ),
        (400, 405, None),
    ),
    Message(
        "scalarlg",
        "3.1.2.5",
        plain(
            """
SIP/2.0 503 Service Unavailable
Via: SIP/2.0/TCP host129.example.com;branch=z9hG4bKzzxdiwo34sw;received=192.0.2.129
To: <sip:user@example.com>
From: <sip:other@example.net>;tag=2easdjfejw
CSeq: 9292394834772304023312 OPTIONS
Call-ID: scalarlg.noase0of0234hn2qofoaf0232aewf2394r
Retry-After: 949302838503028349304023988
Warning: 1812 overture "In Progress"
Content-Length: 0
"""
        ),
        (None,),
    ),
    Message(
        "quotbal",
        "3.1.2.6",
        invite(
            'To: "Mr. J. User <sip:j.user@example.com>',
            "Contact: <sip:joe@host5.example.net>",
            call="quotbal.aksdj",
        ),
        (400, None),
    ),
    Message(
        "ltgtruri",
        "3.1.2.7",
        invite("INVITE <sip:user@example.com> SIP/2.0", call="ltgtruri.1@192.0.2.5"),
        (400, None),
    ),
    Message(
        "lwsruri",
        "3.1.2.8",
        invite("INVITE sip:user@example.com; lr SIP/2.0", call="lwsruri.asdfasdoeoi2323-asdfwrn23-asd834rk423"),
        (400, None, 200, 404),
    ),
    Message(
        "lwsstart",
        "3.1.2.9",
        invite("INVITE  sip:user@example.com  SIP/2.0", call="lwsstart.dfknq234oi243099adsdfnawe3@example.com"),
        (400, None, 200, 404),
    ),
    Message(
        "trws",
        "3.1.2.10",
        request("OPTIONS", "OPTIONS sip:remote-target@example.com SIP/2.0  ", call="trws.oicu34958239neffasdhr2345r"),
        (400, None, 200),
    ),
    Message(
        "escruri",
        "3.1.2.11",
        invite(
            "INVITE sip:user@example.com?Route=%3Csip:example.com%3E SIP/2.0",
            call="escruri.23940-asdfhj-aje3br-234q098w-fawerh2q-h4n5",
        ),
        (400, None, 200, 404),
    ),
    Message(
        "baddate",
        "3.1.2.12",
        invite("Date: Fri, 01 Jan 2010 16:00:00 EST", call="baddate.239423mnsadf3j23lj42--sedfnm234"),
        (400, 200, 404),
    ),
    Message(
        "regbadct",
        "3.1.2.13",
        request(
            "REGISTER",
            "Contact: sip:user@example.com?Route=%3Csip:sip.example.com%3E",
            call="regbadct.k345asrl3fdbv@10.0.0.1",
            uri="sip:example.com",
        ),
        (400, 405, None),
    ),
    Message(
        "badaspec",
        "3.1.2.14",
        request(
            "OPTIONS",
            'To: "Watson, Thomas" < sip:t.watson@example.org >',
            'From: "Bell, Alexander" <sip:a.g.bell@example.com>;tag=433423',
            "Accept: application/sdp",
            call="badaspec.sdf0234n2nds0a099u23h3hnnw009cdkne3",
        ),
        (400, 200, None),
    ),
    Message(
        "baddn",
        "3.1.2.15",
        request(
            "OPTIONS",
            "From: Bell, Alexander <sip:a.g.bell@example.com>;tag=43",
            "To: Watson, Thomas <sip:t.watson@example.org>",
            call="baddn.31415@c.example.com",
        ),
        (400, 200, None),
    ),
    Message(
        "badvers",
        "3.1.2.16",
        request(
            "OPTIONS",
            "OPTIONS sip:t.watson@example.org SIP/7.0",
            "Via: SIP/7.0/UDP c.example.com;branch=z9hG4bKkdjuw",
            call="badvers.31417@c.example.com",
        ),
        (505, None),
    ),
    Message(
        "mismatch01", "3.1.2.17", request("OPTIONS", "CSeq: 8 INVITE", call="mismatch01.dj0234sxdfl3"), (400, None)
    ),
    Message(
        "mismatch02",
        "3.1.2.18",
        request("NEWMETHOD", "CSeq: 8 INVITE", call="mismatch02.dj0234sxdfl3"),
        (400, 501, None),
    ),
    Message(
        "bigcode",
        "3.1.2.19",
        plain(
            """
SIP/2.0 4294967301 better not break the receiver
Via: SIP/2.0/UDP 192.0.2.105;branch=z9hG4bK2398ndaoe
Call-ID: bigcode.asdof3uj203asdnf3429uasdhfas3ehjasdfas9i
CSeq: 353494 INVITE
From: <sip:user@example.com>;tag=39ansfi3
To: <sip:user@example.edu>;tag=902jndnke3
Content-Length: 0
Contact: <sip:user@host105.example.com>
"""
        ),
        (None,),
    ),
]

TRANSACTION = [
    Message(
        "badbranch",
        "3.2.1",
        request(
            "OPTIONS",
            "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK",
            "Accept: application/sdp",
            call="badbranch.sadonfo23i420jv0as0derf3j3n",
        ),
        (200,),
    ),
]

APPLICATION = [
    Message(
        "insuf",
        "3.3.1",
        b"INVITE sip:user@example.com SIP/2.0\r\nCSeq: 193942 INVITE\r\n"
        b"Via: SIP/2.0/UDP 192.0.2.95;branch=z9hG4bKkdj.insuf"
        b"\r\nContent-Type: application/sdp\r\nl: 150\r\n\r\n" + CALL,
        (400, None),
    ),
    Message(
        "unkscm",
        "3.3.2",
        request("OPTIONS", call="unkscm.nasdfasser0q239nwsdfasdkl34", uri="nobodyKnowsThisScheme:totallyopaquecontent"),
        (416, None),
    ),
    Message(
        "novelsc",
        "3.3.3",
        request("OPTIONS", call="novelsc.asdfasser0q239nwsdfasdkl34", uri="soap.beep://192.0.2.103:3002"),
        (416, None),
    ),
    Message(
        "unksm2",
        "3.3.4",
        request(
            "REGISTER",
            "To: isbn:2983792873",
            "From: <http://www.example.com>;tag=3234233",
            "Contact: <name:John_Smith>",
            call="unksm2.daksdj@hyphenated-host.example.com",
            uri="sip:example.com",
        ),
        (400, 405, None),
    ),
    Message(
        "bext01",
        "3.3.5",
        request(
            "OPTIONS",
            "Require: nothingSupportsThis, nothingSupportsThisEither",
            "Proxy-Require: noProxiesSupportThis, norDoAnyProxiesSupportThis",
            call="bext01.0ha0isndaksdj",
        ),
        (420,),
    ),
    Message(
        "invut",
        "3.3.6",
        invite(
            "Content-Type: application/unknownformat",
            call="invut.0ha0isndaksdjadsfij34n23d",
            body=b'<audio>\r\n <pcmu port="443"/>\r\n</audio>\r\n',
        ),
        (415,),
    ),
    Message(
        "regaut01",
        "3.3.7",
        request(
            "REGISTER",
            "Authorization: NoOneKnowsThisScheme opaque-data=here",
            "Contact: <sip:j.user@host.example.com>",
            call="regaut01.0ha0isndaksdj",
            uri="sip:example.com",
        ),
        (401, 405, None),
    ),
    Message(
        "multi01",
        "3.3.8",
        b"INVITE sip:user@company.com SIP/2.0\r\nContact: <sip:caller@host25.example.net>\r\n"
        b"Via: SIP/2.0/UDP 192.0.2.25;branch=z9hG4bKkdjuw\r\nMax-Forwards: 70\r\nCSeq: 5 INVITE\r\n"
        b"Call-ID: multi01.98asdh@192.0.2.1\r\nCSeq: 59 INVITE\r\nCall-ID: multi01.98asdh@192.0.2.2\r\n"
        b"From: sip:caller@example.com;tag=3413415\r\nTo: sip:user@example.com\r\nTo: sip:other@example.net\r\n"
        b"From: sip:caller@example.net;tag=2923420123\r\nContent-Type: application/sdp\r\nl: 150\r\n"
        b"Contact: <sip:caller@host36.example.net>\r\nMax-Forwards: 5\r\n\r\n" + CALL,
        (400, None, 200, 404),
    ),
    Message(
        "mcl01",
        "3.3.9",
        request("OPTIONS", "Content-Length: 13", "Content-Length: 5", call="mcl01.fhn2323orihawfdoa3o4r52o3irsdf")
        + b"There's no way to know how many octets are supposed to be here.\r\n",
        (400, None, 200),
    ),
    Message(
        "bcast",
        "3.3.10",
        plain(
            """
SIP/2.0 200 OK
Via: SIP/2.0/UDP 192.0.2.198;branch=z9hG4bK1324923
Via: SIP/2.0/UDP 255.255.255.255;branch=z9hG4bK1saber23
Call-ID: bcast.0384840201234ksdfak3j2erwedfsASdf
CSeq: 35 INVITE
From: sip:user@example.com;tag=11141343
To: sip:user@example.edu;tag=2229
Content-Length: 154
Content-Type: application/sdp
Contact: <sip:user@host28.example.com>
""",
            CALL,
        ),
        (None,),
    ),
    Message(
        "zeromf", "3.3.11", request("OPTIONS", "Max-Forwards: 0", call="zeromf.jfasdlfnm2o2l43r5u0asdfas"), (200, 483)
    ),
    Message(
        "cparam01",
        "3.3.12",
        request(
            "REGISTER",
            "Contact: sip:+19725552222@gw1.example.net;unknownparam",
            call="cparam01.70710@saturn.example.com",
            uri="sip:example.com",
        ),
        (405,),
    ),
    Message(
        "cparam02",
        "3.3.13",
        request(
            "REGISTER",
            "Contact: <sip:+19725552222@gw1.example.net;unknownparam>",
            call="cparam02.70710@saturn.example.com",
            uri="sip:example.com",
        ),
        (405,),
    ),
    Message(
        "regescrt",
        "3.3.14",
        request(
            "REGISTER",
            "Contact: <sip:user@example.com?Route=%3Csip:sip.example.com%3E>",
            call="regescrt.k345asrl3fdbv@192.0.2.1",
            uri="sip:example.com",
        ),
        (405,),
    ),
    Message(
        "sdp01",
        "3.3.15",
        invite(
            "Contact: <sip:caller@host5.example.net>", "Accept: text/nobodyKnowsThis", call="sdp01.ndaksdj9342dasdd"
        ),
        (406, 200, 404),
    ),
]

BACKWARD = [
    Message(
        "inv2543",
        "3.4.1",
        b"INVITE sip:UserB@example.com SIP/2.0\r\nVia: SIP/2.0/UDP iftgw.example.com\r\n"
        b"From: <sip:+13035551111@ift.client.example.net;user=phone>\r\n"
        b"Record-Route: <sip:UserB@example.com;maddr=ss1.example.com>\r\n"
        b"To: sip:+16505552222@ss1.example.net;user=phone\r\n"
        b"Call-ID: inv2543.1717@ift.client.example.com\r\nCSeq: 56 INVITE\r\nContent-Type: application/sdp\r\n\r\n"
        + CALL.replace(b"m=video 3227 RTP/AVP 31\r\na=rtpmap:31 LPC\r\n", b""),
        # 400: it has no Contact; None: it has no length, so a stream cannot tell its end
        (200, 404, 400, None),
    ),
]
