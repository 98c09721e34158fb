/* $title
 *
 * Compile with -O3 -ffp-contract=off: then every compiler gives the same bits, whatever it
 * optimises. Loops over maps, synapses and neurons have fixed counts and are independent, so that a
 * compiler vectorises them.
 */
#include "${name}.h"

#define LARGEST 3.402823466e+38f

$tables

/* Two to the power x, to one unit in the last place; x is cut to -126..126, NaN, too. Without a
 * comparison of floats, which compilers keep from vectorising. */
static float power_of_two(float x)
{
    union { uint32_t bits; float number; } cut, whole, power;
    cut.number = x;
    const uint32_t size = cut.bits & 0x7fffffffu;
    cut.bits = (cut.bits & 0x80000000u) | (size < 0x42fc0000u ? size : 0x42fc0000u); /* 126 */
    whole.number = cut.number + 12582912.0f; /* 1.5 * 2^23: the last bits are the nearest integer */
    const float r = cut.number - (whole.number - 12582912.0f);
    /* ln(2)^k / k!, k from 7 to 0 */
    float y = 1.5252734e-5f;
    y = y * r + 1.5403530e-4f;
    y = y * r + 1.3333558e-3f;
    y = y * r + 9.6181291e-3f;
    y = y * r + 5.5504109e-2f;
    y = y * r + 2.4022651e-1f;
    y = y * r + 6.9314718e-1f;
    y = y * r + 1.0f;
    power.bits = (whole.bits << 23) + 0x3f800000u;
    return y * power.number;
}

static float sigmoid(float x)
{
    return 1.0f / (1.0f + power_of_two(x * -1.4426950f));
}

static float hyperbolic_tangent(float x)
{
    return 2.0f / (1.0f + power_of_two(x * -2.8853901f)) - 1.0f;
}

static int is_finite(const float *number, int32_t count)
{
    for (int32_t i = 0; i < count; ++i) {
        if (!(number[i] >= -LARGEST && number[i] <= LARGEST)) {
            return 0;
        }
    }
    return 1;
}
$picture
$core
void ${name}_start(${name}_state *state)
{
    for (int32_t i = 0; i < $neurons; ++i) {
        state->neuron[i] = 0.0f;
    }
    state->refused = 0;
}

int ${name}_step($signature)
{
    float input[$features];
    float next[$neurons];
    float output[$outputs];
    if (!(dt > 0.0f && dt <= LARGEST)) {
        ++state->refused;
        return ${NAME}_BAD_DT;
    }
$check_measurements    if (!is_finite(state->neuron, $neurons)) {
        ++state->refused;
        return ${NAME}_BAD_STATE;
    }
$see$measure    for (int32_t i = 0; i < $features; ++i) {
        input[i] = input[i] * input_scale[i] + input_shift[i];
    }
    for (int32_t i = 0; i < $neurons; ++i) {
        next[i] = state->neuron[i];
    }
    advance(input, dt * $time_scale, next, output);
    for (int32_t i = 0; i < $outputs; ++i) {
        output[i] = (output[i] * output_scale[i] + output_shift[i]) * action_unit[i];
    }
$bound    if (!is_finite(next, $neurons) || !is_finite(output, $outputs)) {
        ++state->refused;
        return ${NAME}_BAD_STATE;
    }
    for (int32_t i = 0; i < $neurons; ++i) {
        state->neuron[i] = next[i];
    }
    for (int32_t i = 0; i < $outputs; ++i) {
        action[i] = output[i];
    }
    return ${NAME}_OK;
}
