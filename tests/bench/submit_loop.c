/*
 * The plainest way to hand jobs to slurmctld: a loop around libslurm's submit, in as many processes
 * as it is to have connections. Runs as the user whose jobs they are.
 *
 *   submit_loop JOBS CONNECTIONS PARTITION
 *
 * prints the seconds it took, and ends with 0 when all were taken.
 */
#include <errno.h>
#include <pwd.h>
#include <slurm/slurm.h>
#include <slurm/slurm_errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SCRIPT "#!/bin/sh\nexec 'true'\n"

static double now_s(void)
{
        struct timespec t;
        clock_gettime(CLOCK_MONOTONIC, &t);
        return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int submit(const struct passwd *user, char *partition)
{
        char home[256], name[64], logname[64];
        char *environment[] = {
                "PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8", home, name, logname, NULL};
        submit_response_msg_t *answer = NULL;
        job_desc_msg_t job;
        snprintf(home, sizeof home, "HOME=%s", user->pw_dir);
        snprintf(name, sizeof name, "USER=%s", user->pw_name);
        snprintf(logname, sizeof logname, "LOGNAME=%s", user->pw_name);
        slurm_init_job_desc_msg(&job);
        job.user_id = user->pw_uid;
        job.group_id = user->pw_gid;
        job.name = "true";
        job.comment = "a comment that is about as long as those that the gateway writes";
        job.partition = partition;
        job.script = SCRIPT;
        job.work_dir = user->pw_dir;
        job.std_in = job.std_out = "/dev/null";
        job.environment = environment;
        job.env_size = 5;
        job.min_cpus = job.cpus_per_task = 1;
        job.pn_min_memory = 100;
        job.time_limit = 10;
        job.requeue = 0;
        if (slurm_submit_batch_job(&job, &answer)) {
                fprintf(stderr, "submit_loop: %s\n", slurm_strerror(errno));
                return -1;
        }
        slurm_free_submit_response_response_msg(answer);
        return 0;
}

static int submit_some(long count, char *partition)
{
        const struct passwd *user = getpwuid(getuid());
        slurm_init(NULL);
        for (long i = 0; user && i < count; i++)
                if (submit(user, partition))
                        return 1;
        return !user;
}

int main(int argc, char *argv[])
{
        if (argc != 4) {
                fprintf(stderr, "usage: submit_loop JOBS CONNECTIONS PARTITION\n");
                return 2;
        }
        long jobs = atol(argv[1]), connections = atol(argv[2]);
        int status = 0, one;
        double started = now_s();
        for (long i = 0; i < connections; i++)
                if (fork() == 0)
                        _exit(submit_some(jobs / connections + (i < jobs % connections), argv[3]));
        while (wait(&one) > 0)
                status |= one;
        printf("%.6f\n", now_s() - started);
        return status != 0;
}
