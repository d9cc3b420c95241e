/* See sound.hpp. */
%{
#include "sound.hpp"
%}
%nocopyctor pj::EchoDevice;
%nocopyctor pj::EchoCanceller;
%feature("nothread") pj::setConnectionLevel;
%feature("nothread") pj::portLevels;
%feature("nothread") pj::EchoCanceller::cancel;
%apply (const void *DATA, size_t LEN) { (const void *RECORDED, size_t RECORDED_BYTES) };
%apply (const void *DATA, size_t LEN) { (const void *PLAYED, size_t PLAYED_BYTES) };
%feature("docstring") pj::EchoCanceller::cancel "cancel(recorded, played) -> bytes: whole frames of 16 bit PCM of both; the recorded ones without the echo.";
%include "sound.hpp"

%extend pj::EchoCanceller {
  PyObject *cancel(const void *RECORDED, size_t RECORDED_BYTES, const void *PLAYED, size_t PLAYED_BYTES) {
    size_t frame = $self->frameSamples * 2;
    if (RECORDED_BYTES != PLAYED_BYTES || RECORDED_BYTES % frame) {
      PyErr_SetString(PyExc_ValueError, "expected as many whole frames of both");
      return NULL;
    }
    PyObject *bytes = PyBytes_FromStringAndSize((const char *)RECORDED, (Py_ssize_t)RECORDED_BYTES);
    for (size_t at = 0; bytes && at < RECORDED_BYTES; at += frame)
      $self->cancel((short *)(PyBytes_AS_STRING(bytes) + at), (const short *)((const char *)PLAYED + at));
    return bytes;
  }
}
