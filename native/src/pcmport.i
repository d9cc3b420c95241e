/* PcmPort and PcmHub for Python; pcmport.hpp says what each method does.
 *
 * Short methods keep the GIL (`nothread`): a copy of 640 bytes is cheaper than giving the GIL away. open() and close()
 * give it away, because the mixer may make them wait. */

/* bytes, bytearray, memoryview, array, numpy: any contiguous buffer, without a copy */
%typemap(in) (const void *DATA, size_t LEN) (Py_buffer view = {NULL, NULL}) {
  if (PyObject_GetBuffer($input, &view, PyBUF_SIMPLE) != 0) SWIG_fail;
  $1 = view.buf;
  $2 = (size_t)view.len;
}
%typemap(freearg) (const void *DATA, size_t LEN) {
  if (view$argnum.obj) PyBuffer_Release(&view$argnum);
}

%feature("nothread") pj::PcmPort::isOpen;
%feature("nothread") pj::PcmPort::write;
%feature("nothread") pj::PcmPort::read;
%feature("nothread") pj::PcmPort::readinto;
%feature("nothread") pj::PcmPort::readable;
%feature("nothread") pj::PcmPort::writable;
%feature("nothread") pj::PcmPort::frameBytes;
%feature("nothread") pj::PcmPort::notifyDrained;
%feature("nothread") pj::PcmPort::takeEvents;
%feature("nothread") pj::PcmPort::flushTx;
%feature("nothread") pj::PcmPort::flushRx;
%feature("nothread") pj::PcmPort::stat;
%feature("nothread") pj::PcmPort::resetStat;
%feature("nothread") pj::PcmHub::PcmHub;
%feature("nothread") pj::PcmHub::fileno;
%feature("nothread") pj::PcmHub::wakeups;
%feature("nothread") pj::PcmHub::drain;
%feature("nothread") pj::PcmHub::events;
%feature("nothread") pj::PcmPort::takeDigits;
%nocopyctor pj::PcmPort;
%nocopyctor pj::PcmHub;

%feature("docstring") pj::PcmPort "A mixer port whose other end is 16 bit PCM in this program; see native/src/pcmport.hpp.";
%feature("docstring") pj::PcmPort::read "read(maxbytes=0) -> bytes: what is readable, at most maxbytes when that is not 0.";
%feature("docstring") pj::PcmPort::readinto "readinto(buffer) -> int: fills a writable buffer; how many bytes were there.";
%feature("docstring") pj::PcmHub "One descriptor that becomes readable when any of many ports has data or an event.";
%feature("docstring") pj::PcmHub::drain "drain(maxbytes=0) -> [(port id, bytes), ...]: reads every port that has enough to read.";
%feature("docstring") pj::PcmHub::events "events() -> [(port id, flags of PCM_DRAINED and PCM_LOW), ...]; call it after drain().";

%{
/* bytes of what is readable in a state; NULL with a Python error set. */
static PyObject *pcm_bytes(pj::PcmPortState &state, size_t maxbytes)
{
    std::lock_guard<std::mutex> hold(state.app);
    size_t n = state.rx.level();
    if (maxbytes && n > maxbytes) n = maxbytes;
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)n);
    if (bytes) state.read(PyBytes_AS_STRING(bytes), n);
    return bytes;
}

/* Puts (first, second) into place i of a list; takes `second` over. False with a Python error set. */
static bool pcm_pair(PyObject *list, Py_ssize_t i, long first, PyObject *second)
{
    PyObject *pair = second ? Py_BuildValue("(lN)", first, second) : NULL;
    if (!pair) return false;
    PyList_SET_ITEM(list, i, pair);
    return true;
}

/* [(digit, start ms, duration ms), ...] of all that `take` gives. */
template <class Take> static PyObject *digit_list(Take take)
{
    PyObject *list = PyList_New(0);
    pj::HeardDigit heard;
    while (list && take(heard)) {
        PyObject *entry = Py_BuildValue("(CII)", heard.digit, heard.startMs, heard.durationMs);
        if (!entry || PyList_Append(list, entry) < 0) Py_CLEAR(list);
        Py_XDECREF(entry);
    }
    return list;
}
%}

/* A detector by itself, for sound that is in memory. feedPcm() gives the GIL away: an hour of sound takes seconds. */
%feature("docstring") pj::PcmPort::takeDigits "takeDigits() -> [(digit, start ms, duration ms), ...]";
%feature("docstring") pj::DigitDetector::digits "digits() -> [(digit, start ms, duration ms), ...]: what was heard since.";
%feature("nothread") pj::DigitDetector::digits;
%ignore pj::HeardDigit;
%ignore pj::DigitDetector::feed;
%ignore pj::DigitDetector::take;
%nocopyctor pj::DigitDetector;
%include "digits.hpp"
%include "pcmport.hpp"

%extend pj::PcmPort {
  PyObject *read(size_t maxbytes = 0) {
    size_t n = $self->readable();
    if (maxbytes && n > maxbytes) n = maxbytes;
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)n);
    if (bytes) $self->readRaw(PyBytes_AS_STRING(bytes), n);
    return bytes;
  }
  PyObject *readinto(PyObject *buffer) {
    Py_buffer view;
    if (PyObject_GetBuffer(buffer, &view, PyBUF_WRITABLE) != 0) return NULL;
    size_t n = $self->readRaw(view.buf, (size_t)view.len);
    PyBuffer_Release(&view);
    return PyLong_FromSize_t(n);
  }
  PyObject *takeDigits() {
    return digit_list([&](pj::HeardDigit &heard) { return $self->takeDigit(heard); });
  }
}

%extend pj::DigitDetector {
  void feedPcm(const void *DATA, size_t LEN) {
    $self->feed((const int16_t *)DATA, LEN / 2);
  }
  PyObject *digits() {
    return digit_list([&](pj::HeardDigit &heard) { return $self->take(heard); });
  }
}

%extend pj::PcmHub {
  PyObject *drain(size_t maxbytes = 0) {
    auto ports = $self->state->takeReadable();
    PyObject *list = PyList_New((Py_ssize_t)ports.size());
    for (size_t i = 0; list && i < ports.size(); ++i) {
      if (!pcm_pair(list, (Py_ssize_t)i, ports[i]->portId, pcm_bytes(*ports[i], maxbytes))) Py_CLEAR(list);
    }
    return list;
  }
  PyObject *events() {
    auto ports = $self->state->takeEventful();
    PyObject *list = PyList_New((Py_ssize_t)ports.size());
    for (size_t i = 0; list && i < ports.size(); ++i) {
      PyObject *flags = PyLong_FromUnsignedLong(ports[i]->events.exchange(0));
      if (!pcm_pair(list, (Py_ssize_t)i, ports[i]->portId, flags)) Py_CLEAR(list);
    }
    return list;
  }
}
