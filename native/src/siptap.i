/* See siptap.hpp. drainTap() makes Python objects, so it keeps the GIL; it never waits for a thread that wants it. */
%{
#include "siptap.hpp"
#include "siptapqueue.hpp"

static PyObject *tapped_tuple(const pj::TapEntry &e)
{
    return Py_BuildValue("(LNssisiN)", e.usec, PyBool_FromLong(e.sent), e.transport, e.local.c_str(), e.localPort,
                         e.remote.c_str(), e.remotePort,
                         PyBytes_FromStringAndSize(e.text.data(), (Py_ssize_t)e.text.size()));
}
%}
%include "siptap.hpp"

%feature("nothread") pj_drain_tap;
%feature("docstring") pj_drain_tap "drainTap() -> [(time_us, sent, transport, local, local_port, remote, remote_port, message), ...]";
%rename(drainTap) pj_drain_tap;
%inline %{
PyObject *pj_drain_tap()
{
    auto taken = pj::takeTapped();
    PyObject *list = PyList_New((Py_ssize_t)taken.size());
    for (size_t i = 0; list && i < taken.size(); ++i) {
        PyObject *made = tapped_tuple(taken[i]);
        if (made) PyList_SET_ITEM(list, (Py_ssize_t)i, made);
        else Py_CLEAR(list);
    }
    return list;
}
%}
