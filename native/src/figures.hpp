/* The figures of a call's media, read in one go.
 *
 * pjsua2 hands out most of them, as a tree of some sixty objects; it leaves out RTCP-XR (RFC 3611) and the packet's
 * length, and has no way to say what our own extended reports shall carry.
 */
#ifndef SOFTPHONE_FIGURES_HPP
#define SOFTPHONE_FIGURES_HPP

#include <pjsua2.hpp>

namespace pj {

/* What the far end says of what it hears: the VoIP metrics block of RFC 3611 section 4.7, in its own units (rates and
 * densities are fractions of 256; 127: unavailable for levels, R and MOS; MOS is ten times itself). */
struct PeerVoipMetrics
{
    bool known = false; /* a block has arrived */
    unsigned lossRate = 0, discardRate = 0, burstDensity = 0, gapDensity = 0;
    unsigned burstMs = 0, gapMs = 0, roundTripMs = 0, endSystemMs = 0;
    unsigned rFactor = 127, mosLq = 127, mosCq = 127;
    unsigned bufferMs = 0, bufferMaxMs = 0;
};

/* Counters from the beginning of the stream; times in milliseconds, negative where nothing is known. */
struct MediaFigures
{
    bool valid = false; /* false: the call has no such stream */
    unsigned rxPackets = 0, rxBytes = 0, rxLost = 0, rxDuplicates = 0, rxReordered = 0;
    unsigned rxLossPeriods = 0; /* runs of lost packets */
    unsigned rxDiscarded = 0; /* packets that the jitter buffer threw away: too late, or too many */
    unsigned rxEmpty = 0;     /* times that the jitter buffer had nothing to give */
    unsigned txPackets = 0, txBytes = 0, txLost = 0;
    unsigned reports = 0; /* RTCP report blocks received */
    double jitterMs = -1, jitterMeanMs = -1, jitterMaxMs = -1;
    double txJitterMs = -1, txJitterMeanMs = -1, txJitterMaxMs = -1;
    double rttMs = -1, rttMeanMs = -1;
    double bufferMs = -1; /* mean wait in the jitter buffer */
    unsigned ptimeMs = 0; /* speech in one packet that we send */
    bool xr = false;      /* RTCP-XR is on */
    PeerVoipMetrics peer;
};

/* Any thread. Never fails: what is not there is not valid. */
MediaFigures mediaFigures(int callId, unsigned mediaIndex);

/* What our RTCP-XR reports shall say of what we hear: R (0 to 100) and MOS (1 to 5), listening and conversational.
 * Without RTCP-XR it does nothing. */
void setVoipMetrics(int callId, unsigned mediaIndex, double r, double mosLq, double mosCq);

} // namespace pj

#endif
