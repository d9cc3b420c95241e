#include "figures.hpp"

#include <pjsua-lib/pjsua.h>
#include <pjsua-lib/pjsua_internal.h>

#include <cmath>

#define THIS_FILE "figures.cpp"

namespace pj {

namespace {

/* The caller holds PJSUA_LOCK. */
pjmedia_stream *streamOf(int callId, unsigned mediaIndex)
{
    if (callId < 0 || callId >= (int)pjsua_var.ua_cfg.max_calls) return nullptr;
    pjsua_call *call = &pjsua_var.calls[callId];
    if (mediaIndex >= call->med_cnt) return nullptr;
    pjsua_call_media *media = &call->media[mediaIndex];
    return media->type == PJMEDIA_TYPE_AUDIO ? media->strm.a.stream : nullptr;
}

double ms(unsigned usec)
{
    return usec / 1000.0;
}

void readRtcp(const pjmedia_rtcp_session *rtcp, MediaFigures &out)
{
    const pjmedia_rtcp_stream_stat &rx = rtcp->stat.rx, &tx = rtcp->stat.tx;
    out.rxPackets = rx.pkt;
    out.rxBytes = (unsigned)rx.bytes;
    out.rxLost = rx.loss;
    out.rxDuplicates = rx.dup;
    out.rxReordered = rx.reorder;
    out.rxLossPeriods = (unsigned)rx.loss_period.n;
    out.txPackets = tx.pkt;
    out.txBytes = (unsigned)tx.bytes;
    out.txLost = tx.loss;
    out.reports = tx.update_cnt;
    if (rx.jitter.n) {
        out.jitterMs = ms(rx.jitter.last);
        out.jitterMeanMs = ms(rx.jitter.mean);
        out.jitterMaxMs = ms(rx.jitter.max);
    }
    if (tx.jitter.n) {
        out.txJitterMs = ms(tx.jitter.last);
        out.txJitterMeanMs = ms(tx.jitter.mean);
        out.txJitterMaxMs = ms(tx.jitter.max);
    }
    if (rtcp->stat.rtt.n) {
        out.rttMs = ms(rtcp->stat.rtt.last);
        out.rttMeanMs = ms(rtcp->stat.rtt.mean);
    }
}

void readXr(const pjmedia_rtcp_session *rtcp, MediaFigures &out)
{
    out.xr = rtcp->xr_enabled;
    if (!out.xr) return;
    const auto &metrics = rtcp->xr_session.stat.tx.voip_mtc;
    PeerVoipMetrics &peer = out.peer;
    peer.known = metrics.update.sec != 0;
    peer.lossRate = metrics.loss_rate;
    peer.discardRate = metrics.discard_rate;
    peer.burstDensity = metrics.burst_den;
    peer.gapDensity = metrics.gap_den;
    peer.burstMs = metrics.burst_dur;
    peer.gapMs = metrics.gap_dur;
    peer.roundTripMs = metrics.rnd_trip_delay;
    peer.endSystemMs = metrics.end_sys_delay;
    peer.rFactor = metrics.r_factor;
    peer.mosLq = metrics.mos_lq;
    peer.mosCq = metrics.mos_cq;
    peer.bufferMs = metrics.jb_nom;
    peer.bufferMaxMs = metrics.jb_max;
}

pjmedia_rtcp_session *rtcpOf(pjmedia_stream *stream)
{
    pjmedia_stream_rtp_sess_info info;
    if (pjmedia_stream_get_rtp_session_info(stream, &info) != PJ_SUCCESS) return nullptr;
    return const_cast<pjmedia_rtcp_session *>(info.rtcp);
}

pj_uint8_t scaled(double value, double scale, double most)
{
    return (pj_uint8_t)std::lround(std::fmin(std::fmax(value * scale, 0.0), most));
}

} // namespace

MediaFigures mediaFigures(int callId, unsigned mediaIndex)
{
    MediaFigures out;
    PJSUA_LOCK();
    pjmedia_stream *stream = streamOf(callId, mediaIndex);
    const pjmedia_rtcp_session *rtcp = stream ? rtcpOf(stream) : nullptr;
    pjmedia_stream_info info;
    pjmedia_jb_state buffer;
    if (rtcp && pjmedia_stream_get_info(stream, &info) == PJ_SUCCESS &&
        pjmedia_stream_get_stat_jbuf(stream, &buffer) == PJ_SUCCESS) {
        out.valid = true;
        readRtcp(rtcp, out);
        readXr(rtcp, out);
        out.rxDiscarded = buffer.discard;
        out.rxEmpty = buffer.empty;
        if (out.rxPackets) out.bufferMs = buffer.avg_delay;
        if (info.param) {
            unsigned frames = PJ_MAX(info.param->setting.frm_per_pkt, 1);
            out.ptimeMs = info.param->info.frm_ptime * frames / PJ_MAX(info.param->info.frm_ptime_denum, 1);
            out.rxDiscarded = (buffer.discard + frames / 2) / frames; /* the buffer counts frames, two in a G.711 packet */
        }
    }
    PJSUA_UNLOCK();
    return out;
}

void setVoipMetrics(int callId, unsigned mediaIndex, double r, double mosLq, double mosCq)
{
    PJSUA_LOCK();
    pjmedia_stream *stream = streamOf(callId, mediaIndex);
    pjmedia_rtcp_session *rtcp = stream ? rtcpOf(stream) : nullptr;
    if (rtcp && rtcp->xr_enabled) {
        auto &metrics = rtcp->xr_session.stat.rx.voip_mtc; /* pjmedia_rtcp_xr_update_info() has no way to set R */
        metrics.r_factor = scaled(r, 1, 100);
        metrics.mos_lq = scaled(mosLq, 10, 50);
        metrics.mos_cq = scaled(mosCq, 10, 50);
    }
    PJSUA_UNLOCK();
}

} // namespace pj
