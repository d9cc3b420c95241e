/* For LD_PRELOAD: PJSIP's SIP thread, when it has armed a descriptor with epoll_ctl(), rests 2 ms after each of the
 * next few locks that it lets go. What the media thread must not do beside it, it then has time to do. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static __thread int rests;

int epoll_ctl(int epoll, int operation, int descriptor, struct epoll_event *event)
{
    char name[17] = "";
    prctl(PR_GET_NAME, name);
    if (strncmp(name, "pjsua", 5) == 0) rests = 4;
    return (int)syscall(SYS_epoll_ctl, epoll, operation, descriptor, event);
}

int pthread_mutex_unlock(pthread_mutex_t *mutex)
{
    static int (*unlock)(pthread_mutex_t *);
    if (!unlock) unlock = (int (*)(pthread_mutex_t *))dlsym(RTLD_NEXT, "pthread_mutex_unlock");
    int result = unlock(mutex);
    if (rests > 0) {
        int error = errno;
        --rests;
        usleep(2000);
        errno = error;
    }
    return result;
}
