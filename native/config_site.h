/* Compile-time settings of our PJSIP (copied to pjlib/include/pj/config_site.h).
 *
 * Everything here is either a limit that PJSIP fixes when it is compiled, or a
 * setting that has no run-time switch. Run-time choices belong to the agent. */

/* --- limits: 1,000 calls on 1,000 accounts, with room for what surrounds them --- */
#define PJSUA_MAX_CALLS                 1000
#define PJSUA_MAX_ACC                   1024
#define PJSUA_MAX_CONF_PORTS            4000
#define PJSUA_MAX_PLAYERS               32
#define PJSUA_MAX_RECORDERS             32

/* A call needs two media sockets, an account may need a connection of its own.
 * The default for transports is the number of handles: the same thing, said aloud. */
#define PJ_IOQUEUE_MAX_HANDLES          8000
#define PJSIP_MAX_TRANSPORTS            8000

/* One dialog per call and one per subscription; a transaction lives on for up to
 * 32 s after its request, so 1,000 registrations and calls need many of them.
 * (Hash table sizes: powers of two minus one, as upstream's are.) */
#define PJSIP_MAX_DIALOG_COUNT          4095
#define PJSIP_MAX_TSX_COUNT             16383

/* The largest SIP message taken in one piece. The default (4,000) cuts an INVITE with
 * ICE candidates, DTLS fingerprint and a long header list. */
#define PJSIP_MAX_PKT_LEN               16000

/* More packets per wake-up than the default of 16: at 1,000 calls every wake-up finds more. */
#define PJ_IOQUEUE_MAX_EVENTS_IN_SINGLE_POLL 64

/* Connections that wait to be accepted. With the default of 5, a handful that come at once costs everybody a second. */
#define PJSIP_TCP_TRANSPORT_BACKLOG     1024
#define PJ_SOMAXCONN                    1024

/* --- behaviour --- */
#define PJ_HAS_IPV6                     1

/* PJSIP asks for the machine's own address at every call. By default that includes a look-up of the machine's own name,
 * which blocks all of SIP for as long as the name server takes; where the name is unknown and no server answers, that
 * is ten seconds for each call. The default route and the interfaces tell the address as well. */
#define PJ_GETHOSTIP_DISABLE_LOCAL_RESOLUTION 1

/* CRLF keep-alive (RFC 5626 section 3.5.1) on TCP and TLS, seconds. 90 outlives many NAT bindings. */
#define PJSIP_TCP_KEEP_ALIVE_INTERVAL   30
#define PJSIP_TLS_KEEP_ALIVE_INTERVAL   30

/* A connection over which no SIP message has come within this many seconds is closed. By default it is kept for ten
 * minutes, and strangers could use up what there is. */
#define PJSIP_TRANSPORT_SERVER_IDLE_TIME_FIRST 10

/* An account stays on the transport that its configuration names: a request above 1,300 bytes does not go to TCP by
 * itself (RFC 3261 section 18.1.1), where most registrars behind UDP would not know us. */
#define PJSIP_DONT_SWITCH_TO_TCP        1

/* pjsua2 hands an SDP over as text in a buffer of this size, and as an empty string where it is too small: 1,024 by
 * default, which an offer with six codecs and SRTP exceeds. */
#define PJSUA2_MAX_SDP_BUF_LEN          16000

/* Extended reports (RFC 3611), for accounts that ask for them. */
#define PJMEDIA_HAS_RTCP_XR             1

/* DTLS-SRTP (RFC 5764), which WebRTC peers require. */
#define PJMEDIA_SRTP_HAS_DTLS           1

/* RTP without sound (RFC 6263 section 4.1) while a stream has nothing to send: keeps the way through a NAT open. Accounts
 * say whether and how often. */
#define PJMEDIA_STREAM_ENABLE_KA        PJMEDIA_STREAM_KA_EMPTY_RTP

/* AES-GCM for SRTP (RFC 7714); which suites a call offers is the account's choice. */
#define PJMEDIA_SRTP_HAS_AES_GCM_256    1
#define PJMEDIA_SRTP_HAS_AES_GCM_128    1

/* No pictures. */
#define PJMEDIA_HAS_VIDEO               0
