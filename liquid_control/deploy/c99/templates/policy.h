/* $title
 *
 * One step of the policy: picture, measurements and the time since the picture before go in, an
 * action comes out. C99, <stdint.h> alone: no allocation, no global state, no library call. One
 * ${name}_state is one vehicle; calls with different states and memories may run at once.
 *
 * Memory besides the code's constants ($constants bytes): state $state_bytes, working memory
 * $memory_bytes bytes, and less than $stack_bytes bytes of stack.
 */
#ifndef ${NAME}_H
#define ${NAME}_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ${NAME}_SOURCE "$source" /* SHA-256 of the weights */
$sizes

/* What a step returns. A refusal leaves numbers and action as they were and counts in `refused`. */
enum {
    ${NAME}_OK = 0,
    ${NAME}_BAD_DT = 1,          /* the time step is not positive and finite */
    ${NAME}_BAD_MEASUREMENT = 2, /* a measurement is not finite */
    ${NAME}_BAD_STATE = 3        /* the state, before or after the step, is not finite */
};

typedef struct {
    float neuron[$neurons]; /* what the policy remembers */
    uint32_t refused;       /* steps that were refused since the start */
} ${name}_state;

/* Contents mean nothing between steps. */
typedef struct {
$memory
} ${name}_memory;

/* The state at the start of a drive. */
void ${name}_start(${name}_state *state);

/* One step.
$arguments
 * dt: seconds since the step before, at the first one since the picture before it or 0.04.
 * action [$actions]:
$action_lines
 */
int ${name}_step($signature);

#ifdef __cplusplus
}
#endif
#endif
