/* For LD_PRELOAD: writes every name that is looked up to standard error, and finds none. */
#include <netdb.h>
#include <stdio.h>

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found)
{
    fprintf(stderr, "looked up: %s\n", name ? name : "");
    return EAI_NONAME;
}
