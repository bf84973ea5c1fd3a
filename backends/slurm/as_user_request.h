/*
 * What the gateway and jobgate-slurm-as-user say to each other: over a connection to its Unix
 * socket one request, one answer, and the end. Both are frames (frame.h), each a JSON object. Pure;
 * any thread.
 *
 * A request names a verb and the user as whom it is done. All members are needed, and no other may
 * be there; every path is absolute. Texts are UTF-8 without NUL.
 *
 *   {"verb": "folder", "user": "ada", "path": "/home/ada/.jobgate"}
 *        makes a folder (mode 0700) in one that is there; done, too, when the user has it already
 *   {"verb": "open", "user": "ada", "path": "/home/ada/.jobgate/x.out"}
 *        opens a regular file for reading, that is no symbolic link itself and not on a file
 *        system that a user serves (FUSE): whoever reads there waits as long as that user likes
 *   {"verb": "remove", "user": "ada", "path": "/home/ada/.jobgate", "job": "UUID"}
 *        removes the outputs of a job of the gateway's from a folder of the user's own: regular
 * files there called as gw_slurm_output_path() calls them, and nothing else; also done when there
 *        are none
 *   {"verb": "sbatch", "user": "ada", "path": "/home/ada", "arguments": ["--parsable", …],
 *    "environment": ["HOME=/home/ada", …], "script": "#!/bin/bash…", "deadline": T}
 *        runs the site's sbatch in the folder `path` with these arguments (options only, as
 *        "--name" or "--name=value") and the script on its standard input. The job gets the
 *        environment as sbatch hands on its own. At T, monotonic microseconds of the machine that
 *        both run on, sbatch is killed; or when the connection is closed. GW_AS_USER_GRACE_US after
 *        T it is dead, whatever its user does to it.
 *
 * An answer has an outcome, and words for people in "text" where it is not "done":
 *
 *   {"outcome": "done"}                                    of folder
 *   {"outcome": "done", "size": N}                         of open; the descriptor comes with the
 *                                                          first byte of the answer (SCM_RIGHTS)
 *   {"outcome": "done", "status": S, "stdout": "…", "stderr": "…"}    of sbatch: it has ended, S is
 *                                                          its wait status; its words may be cut
 *   invalid    it does not follow this page
 *   refused    nothing is done as this user
 *   absent     it is not there; the folder that it would be in is
 *   unseen     that folder is not there either: perhaps it is on another machine
 *   forbidden  the user may not
 *   wrong      what is there is something else: a link, no regular file, another's folder, a
 *              user's own file system
 *   busy       not now: no memory, too many processes, or the user cannot be looked up
 *   full       of sbatch: slurmctld takes no more now. sbatch said so, and was dead before it would
 *              have asked again; its words are there
 *   late       of sbatch: it was killed at its deadline. What it had sent by then may be done;
 *              what it had said by then is there, as of one that ended, without a status
 *   failed     all else
 *
 * Of sbatch all but done and late mean that it was not run.
 */
#ifndef GW_BACKENDS_SLURM_AS_USER_REQUEST_H
#define GW_BACKENDS_SLURM_AS_USER_REQUEST_H

#include <jansson.h>
#include <stdint.h>

#include "server/base/error.h"

#define GW_AS_USER_REQUEST_MAX (32 * 1024 * 1024) /* bytes of one request */
#define GW_AS_USER_WORDS (32 * 1024)              /* of one output of sbatch that is answered */
#define GW_AS_USER_LIST 4096                      /* arguments, or variables */
#define GW_AS_USER_ITEM (128 * 1024 - 1)          /* bytes of one; the kernel's bound */
#define GW_AS_USER_SECONDS 120                    /* of one sbatch, at most */
#define GW_AS_USER_GRACE_US INT64_C(1000000)

enum gw_as_user_verb {
        GW_AS_USER_FOLDER,
        GW_AS_USER_OPEN,
        GW_AS_USER_REMOVE,
        GW_AS_USER_SBATCH,
};

enum gw_as_user_outcome {
        GW_AS_USER_DONE,
        GW_AS_USER_INVALID,
        GW_AS_USER_REFUSED,
        GW_AS_USER_ABSENT,
        GW_AS_USER_UNSEEN,
        GW_AS_USER_FORBIDDEN,
        GW_AS_USER_WRONG,
        GW_AS_USER_BUSY,
        GW_AS_USER_FULL,
        GW_AS_USER_LATE,
        GW_AS_USER_FAILED,
};

/* A request that follows the page; its texts are borrowed from the object. */
struct gw_as_user_request {
        enum gw_as_user_verb verb;
        const char *user, *path;
        const char *job;                       /* of remove: an id */
        const json_t *arguments, *environment; /* of sbatch, as the next two: lists of texts */
        const char *script;
        int64_t deadline_us;
};

/* Returns 0, or -1 with GW_ERR_INVALID; the message names the member. */
int gw_as_user_request_read(const json_t *object, struct gw_as_user_request *ret,
                            struct gw_error *err);

const char *gw_as_user_outcome_name(enum gw_as_user_outcome outcome);
/* Of an answer. Returns 0, or -1: it has none. */
int gw_as_user_outcome_read(const json_t *answer, enum gw_as_user_outcome *ret);

#endif
