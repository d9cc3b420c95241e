/* For LD_PRELOAD: a name server that takes its time. Names that begin with "slow" are not found after two seconds,
 * "here.test" is this machine, and every name that is looked up is written to standard error. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef int lookup(const char *, const char *, const struct addrinfo *, struct addrinfo **);

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found)
{
    lookup *real = (lookup *)dlsym(RTLD_NEXT, "getaddrinfo");
    fprintf(stderr, "looked up: %s\n", name ? name : "");
    if (name && strncmp(name, "slow", 4) == 0) {
        sleep(2);
        return EAI_NONAME;
    }
    if (name && strcmp(name, "here.test") == 0) name = "127.0.0.1";
    return real(name, service, hints, found);
}
