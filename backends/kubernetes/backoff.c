/* Waiting after failures. */
#include "backends/kubernetes/backoff.h"

int64_t gw_k8s_backoff_us(unsigned failures, int64_t asked_us, uint32_t chance)
{
        int64_t most = GW_K8S_BACKOFF_FIRST_US;
        for (unsigned i = 1; i < failures && most < GW_K8S_BACKOFF_MOST_US; i++)
                most *= 2;
        if (most > GW_K8S_BACKOFF_MOST_US)
                most = GW_K8S_BACKOFF_MOST_US;
        int64_t share = most / 2 * (int64_t)(chance % 1000) / 1000;
        if (asked_us > 10 * GW_K8S_BACKOFF_MOST_US)
                asked_us = 10 * GW_K8S_BACKOFF_MOST_US;
        /* What was asked for is the least, so chance adds to it. */
        return asked_us > most - share ? asked_us + share : most - share;
}
