#include "answers.hpp"

#include <pjsua-lib/pjsua.h>

#define THIS_FILE "answers.cpp"

namespace pj {

namespace {

pjsip_endpoint *endpoint()
{
    return pjsua_get_pjsip_endpt();
}

const pjsip_method &methodOf(pjsip_rx_data *rdata)
{
    return rdata->msg_info.msg->line.req.method;
}

bool inDialog(pjsip_rx_data *rdata)
{
    return rdata->msg_info.to->tag.slen != 0;
}

/* Without a transaction: a repeated request gets the same answer again, and nothing is kept for strangers. */
pj_bool_t answer(pjsip_rx_data *rdata, int code, pjsip_hdr *header = nullptr)
{
    pjsip_hdr list;
    pj_list_init(&list);
    if (header) pj_list_push_back(&list, header);
    pjsip_endpt_respond_stateless(endpoint(), rdata, code, NULL, &list, NULL);
    return PJ_TRUE;
}

/* ------------------------------------------------------------------ what we do not take */

bool among(const pj_str_t &name, const char *const *list)
{
    for (; *list; ++list)
        if (pj_stricmp2(&name, *list) == 0) return true;
    return false;
}

/* Modules of PJSIP take these; this phone has no use for them. */
const char *const UNWANTED_METHODS[] = {"MESSAGE", "PUBLISH", "SUBSCRIBE", nullptr};
const char *const UNWANTED_TYPES[] = {"application/dialog-info+xml", "application/im-iscomposing+xml",
                                      "application/pidf+xml", "application/xpidf+xml", "text/plain", nullptr};
const char *const UNWANTED_EVENTS[] = {"dialog", "presence", nullptr};

/* Methods that somebody has defined: 405 instead of 501. */
const char *const KNOWN_METHODS[] = {"INVITE", "OPTIONS", "REGISTER", "MESSAGE", "SUBSCRIBE", "PUBLISH", "REFER", nullptr};

/* Methods that mean something only within a call or a subscription. */
const char *const DIALOG_METHODS[] = {"BYE", "INFO", "NOTIFY", "PRACK", "UPDATE", "CANCEL", nullptr};

/* What the endpoint says of itself in Allow and Accept, without what it is told here not to take. */
void withhold(const pjsip_hdr *header, const char *const *unwanted)
{
    if (!header) return;
    pjsip_generic_array_hdr *list = (pjsip_generic_array_hdr *)header;
    unsigned kept = 0;
    for (unsigned i = 0; i < list->count; ++i)
        if (!among(list->values[i], unwanted)) list->values[kept++] = list->values[i];
    list->count = kept;
}

/* ------------------------------------------------------------------ before PJSIP's own modules */

pjsip_hdr *allowed(pjsip_rx_data *rdata)
{
    const pjsip_hdr *header = pjsip_endpt_get_capability(endpoint(), PJSIP_H_ALLOW, NULL);
    if (!header) return nullptr;
    auto *copy = (pjsip_generic_array_hdr *)pjsip_hdr_clone(rdata->tp_info.pool, header);
    unsigned kept = 0;
    for (unsigned i = 0; i < copy->count; ++i)
        if (pj_stricmp(&copy->values[i], &methodOf(rdata).name) != 0) copy->values[kept++] = copy->values[i];
    copy->count = kept;
    return (pjsip_hdr *)copy;
}

/* The extensions that are required and that we do not have, as a header Unsupported; null if there are none. */
pjsip_hdr *unsupported(pjsip_rx_data *rdata)
{
    pjsip_unsupported_hdr *missing = nullptr;
    const pjsip_require_hdr *header = nullptr;
    void *from = nullptr;
    while ((header = (const pjsip_require_hdr *)pjsip_msg_find_hdr(rdata->msg_info.msg, PJSIP_H_REQUIRE, from))) {
        from = header->next;
        for (unsigned i = 0; i < header->count; ++i) {
            if (pjsip_endpt_has_capability(endpoint(), PJSIP_H_SUPPORTED, NULL, &header->values[i])) continue;
            if (!missing) missing = pjsip_unsupported_hdr_create(rdata->tp_info.pool);
            if (missing->count < PJ_ARRAY_SIZE(missing->values)) missing->values[missing->count++] = header->values[i];
        }
    }
    return (pjsip_hdr *)missing;
}

/* INVITE and what belongs to a call: PJSIP's own checks of Require know the call's extensions. */
bool checksItself(pjsip_rx_data *rdata)
{
    return methodOf(rdata).id == PJSIP_INVITE_METHOD || methodOf(rdata).id == PJSIP_CANCEL_METHOD;
}

pj_bool_t onEarlyRequest(pjsip_rx_data *rdata)
{
    const pjsip_method &method = methodOf(rdata);
    if (method.id == PJSIP_ACK_METHOD) return PJ_FALSE;
    if (pjsip_method_cmp(&rdata->msg_info.cseq->method, &method) != 0) return answer(rdata, PJSIP_SC_BAD_REQUEST);
    if (!checksItself(rdata)) {
        pjsip_hdr *missing = unsupported(rdata);
        if (missing) return answer(rdata, PJSIP_SC_BAD_EXTENSION, missing);
    }
    bool refused = pj_stricmp2(&method.name, "MESSAGE") == 0 || (!inDialog(rdata) && among(method.name, UNWANTED_METHODS));
    return refused ? answer(rdata, PJSIP_SC_METHOD_NOT_ALLOWED, allowed(rdata)) : PJ_FALSE;
}

/* ------------------------------------------------------------------ after all others */

pj_bool_t onUnwantedRequest(pjsip_rx_data *rdata)
{
    const pjsip_method &method = methodOf(rdata);
    if (method.id == PJSIP_ACK_METHOD) return PJ_FALSE;
    if (among(method.name, DIALOG_METHODS)) return answer(rdata, PJSIP_SC_CALL_TSX_DOES_NOT_EXIST);
    if (among(method.name, KNOWN_METHODS)) return answer(rdata, PJSIP_SC_METHOD_NOT_ALLOWED, allowed(rdata));
    return answer(rdata, PJSIP_SC_NOT_IMPLEMENTED);
}

pj_status_t enlist(pjsip_module &module, const char *name, int priority, pj_bool_t (*onRequest)(pjsip_rx_data *))
{
    pj_bzero(&module, sizeof(module));
    module.name = pj_str(const_cast<char *>(name));
    module.id = -1;
    module.priority = priority;
    module.on_rx_request = onRequest;
    return pjsip_endpt_register_module(endpoint(), &module);
}

} // namespace

void installAnswers() PJSUA2_THROW(Error)
{
    static pjsip_module early, late; /* the endpoint keeps them in its list until it is destroyed */
    withhold(pjsip_endpt_get_capability(endpoint(), PJSIP_H_ALLOW, NULL), UNWANTED_METHODS);
    withhold(pjsip_endpt_get_capability(endpoint(), PJSIP_H_ACCEPT, NULL), UNWANTED_TYPES);
    withhold(pjsip_evsub_get_allow_events_hdr(NULL), UNWANTED_EVENTS);
    PJSUA2_CHECK_EXPR(enlist(early, "mod-answers-early", PJSIP_MOD_PRIORITY_UA_PROXY_LAYER - 1, &onEarlyRequest));
    PJSUA2_CHECK_EXPR(enlist(late, "mod-answers-late", PJSIP_MOD_PRIORITY_APPLICATION + 99, &onUnwantedRequest));
}

} // namespace pj
