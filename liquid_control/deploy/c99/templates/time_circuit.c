/* Prints the nanoseconds of one step of the circuit, without the picture. */
#include "${name}.c"

#include <stdio.h>
#include <time.h>

int main(void)
{
    float input[$features] = {0.0f}, output[$outputs] = {0.0f};
    ${name}_state state;
    struct timespec before, after;
    ${name}_start(&state);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    for (int32_t i = 0; i < $steps; ++i) {
        input[0] = output[0]; /* each step waits for the one before */
        advance(input, 0.8f, state.neuron, output);
    }
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    printf("%.1f\n", ((double)(after.tv_sec - before.tv_sec) * 1e9
                      + (double)(after.tv_nsec - before.tv_nsec)) / $steps.0);
    return output[0] != output[0];
}
