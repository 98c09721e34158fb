/* Steps the policy through the pictures and measurements of an irregular drive and compares with
 * what the trained network answered. Exit code 0: every number is within tolerance. */
#include <stdio.h>

#include "${name}.h"

$tables

static uint32_t noise = 1u;

static uint32_t draw(void)
{
    noise = noise * 1664525u + 1013904223u;
    return noise >> 24;
}

int main(void)
{
    static ${name}_memory memory;
    ${name}_state state;
    float action[$actions], largest = 0.0f;
    int wrong = 0;
$declare
    ${name}_start(&state);
    for (int32_t step = 0; step < $steps; ++step) {
$picture
        if (${name}_step($arguments) != ${NAME}_OK) {
            ++wrong;
        }
        for (int32_t i = 0; i < $actions; ++i) {
            float off = (action[i] - expected_action[step * $actions + i]) / action_scale[i];
            off = off < 0.0f ? -off : off;
            largest = off > largest ? off : largest;
        }
    }
    for (int32_t i = 0; i < $neurons; ++i) {
        float off = state.neuron[i] - expected_neuron[i];
        off = off < 0.0f ? -off : off;
        largest = off > largest ? off : largest;
    }
    if (${name}_step($refused) != ${NAME}_BAD_DT || state.refused != 1u) {
        ++wrong;
    }
    printf("$name: $steps steps, largest difference %.2g, tolerance 1e-05\n", (double)largest);
    return wrong != 0 || !(largest <= 1e-5f);
}
