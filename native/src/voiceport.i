/* See voiceport.hpp. Short methods keep the GIL, as PcmPort's do. */
%{
#include "voiceport.hpp"
#include "voicestate.hpp"
%}
%feature("nothread") pj::VoiceHub::fileno;
%feature("nothread") pj::VoiceHub::take;
%feature("nothread") pj::VoicePort::receive;
%feature("nothread") pj::VoicePort::sendDigit;
%feature("nothread") pj::VoicePort::expectLoss;
%feature("nothread") pj::VoicePort::stat;
%nocopyctor pj::VoicePort;
%nocopyctor pj::VoiceHub;
%feature("docstring") pj::VoicePort "A mixer port whose other end is RTP; see native/src/voiceport.hpp.";
%feature("docstring") pj::VoiceHub::take "take() -> [(port id, packet), ...]: all packets that are to go out, in order.";
%include "voiceport.hpp"

%extend pj::VoiceHub {
  PyObject *take() {
    $self->state->taken();
    PyObject *list = PyList_New(0);
    for (const auto &port : $self->state->ports()) {
      while (pj::VoiceOut *packet = list ? port->out.first() : nullptr) {
        PyObject *entry = Py_BuildValue("(iy#)", port->portId, (const char *)packet->bytes, (Py_ssize_t)packet->size);
        port->out.drop();
        if (!entry || PyList_Append(list, entry) < 0) Py_CLEAR(list);
        Py_XDECREF(entry);
      }
    }
    return list;
  }
}
