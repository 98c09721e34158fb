/* Reads steps from standard input and prints the action of each: $usage.
 * Compile: cc -O3 -ffp-contract=off example_${name}.c ${name}.c -o example_${name} */
#include <stdio.h>

#include "${name}.h"

int main(void)
{
    static ${name}_memory memory;
    ${name}_state state;
    float dt, action[${NAME}_ACTIONS];
$declare
    ${name}_start(&state);
    while (fread(&dt, sizeof dt, 1, stdin) == 1$read) {
        const int refused = ${name}_step($arguments);
        if (refused) {
            fprintf(stderr, "step refused: %d\n", refused);
            continue;
        }
        for (int i = 0; i < ${NAME}_ACTIONS; ++i) {
            printf(i + 1 < ${NAME}_ACTIONS ? "%.6f " : "%.6f\n", (double)action[i]);
        }
    }
    return 0;
}
