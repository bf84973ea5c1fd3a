/*
 * libslurm, for the whole agent: the only place that includes its headers, and the only one that
 * knows how its versions differ. Written for 22.05 to 24.11.
 */
#ifndef GW_BACKENDS_SLURM_AGENT_LIBSLURM_H
#define GW_BACKENDS_SLURM_AGENT_LIBSLURM_H

#include <slurm/slurm.h>
#include <slurm/slurm_errno.h>
#include <slurm/slurmdb.h>

/* Exported by all of them, and in no header that is installed. */
extern slurm_conf_t *slurm_conf_lock(void);
extern void slurm_conf_unlock(void);
extern time_t slurm_parse_time(const char *text, int past); /* 0: it is no time */
extern int slurm_time_str2mins(const char *text);           /* NO_VAL: it is no length of time */
extern int slurm_time_str2secs(const char *text);           /* likewise */
/* The first two give texts for slurm_xfree(); 0: ret and *ret_kind are what text says. */
extern int slurm_verify_mem_bind(const char *text, char **ret, mem_bind_type_t *ret_kind);
extern char *slurm_xstr_mem_bind_type(mem_bind_type_t kind); /* NULL: none */
extern void slurm_xfree(void **item);
extern void slurm_free_will_run_response_msg(will_run_response_msg_t *answer);
extern int32_t slurm_bit_set_count(void *bitmap);

/* What a generic resource begins with where a job asks for it, and GPUs where they are bound to
 * tasks, and the variable that tells srun how; whether all that a task has is one list of
 * TYPE=NUMBER; and the types of lists. */
#if SLURM_VERSION_NUMBER >= SLURM_VERSION_NUM(23, 11, 0)
#define GW_AGENT_GRES "gres/"
#define GW_AGENT_GPU_BIND "gres/gpu:"
#define GW_AGENT_BIND_VARIABLE "SLURM_TRES_BIND"
#define GW_AGENT_TRES_PER_TASK true
typedef hostlist_t *gw_agent_hosts;
typedef list_t *gw_agent_list;
typedef list_itr_t *gw_agent_iterator;
#else
#define GW_AGENT_GRES "gres:"
#define GW_AGENT_GPU_BIND "gpu:"
#define GW_AGENT_BIND_VARIABLE "SLURM_GPU_BIND"
#define GW_AGENT_TRES_PER_TASK false
typedef hostlist_t gw_agent_hosts;
typedef List gw_agent_list;
typedef ListIterator gw_agent_iterator;
#endif

/* Whether a frequency of CPUs has a governor in any case. */
#define GW_AGENT_EACH_GOVERNED (SLURM_VERSION_NUMBER >= SLURM_VERSION_NUM(23, 11, 0))

/* Around rows of a table that only some of them have. */
#if SLURM_VERSION_NUMBER >= SLURM_VERSION_NUM(24, 11, 0)
#define GW_AGENT_SINCE_24_11(...) __VA_ARGS__,
#define GW_AGENT_UNTIL_22_05(...)
#else
#define GW_AGENT_SINCE_24_11(...)
#define GW_AGENT_UNTIL_22_05(...) __VA_ARGS__,
#endif

/* Words of sbatch to the launchers of MPI libraries, that they start their processes with srun. */
#if SLURM_VERSION_NUMBER >= SLURM_VERSION_NUM(23, 11, 0)
#define GW_AGENT_LAUNCHERS                                                                         \
        {"HYDRA_BOOTSTRAP", "slurm"}, {"HYDRA_LAUNCHER_EXTRA_ARGS", "--external-launcher"},        \
                {"I_MPI_HYDRA_BOOTSTRAP", "slurm"},                                                \
                {"I_MPI_HYDRA_BOOTSTRAP_EXEC_EXTRA_ARGS", "--external-launcher"},                  \
                {"OMPI_MCA_plm_slurm_args", "--external-launcher"},                                \
                {"PRTE_MCA_plm_slurm_args", "--external-launcher"},
#else
#define GW_AGENT_LAUNCHERS
#endif

/* slurm_init_job_desc_msg(), and what it forgets. */
static inline void gw_agent_desc_init(job_desc_msg_t *d)
{
        slurm_init_job_desc_msg(d);
#if SLURM_VERSION_NUMBER >= SLURM_VERSION_NUM(24, 5, 0)
        d->oom_kill_step = NO_VAL16;
#endif
}

#endif
