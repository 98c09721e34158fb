
/* $units closed-form neurons, from number $start on, fed by $sources numbers. */
static void layer_$number(const float *input, float dt, float *neuron)
{
    float head[4 * $units];
    for (int32_t i = 0; i < 4 * $units; ++i) {
        head[i] = bias_of_layer_$number[i];
    }
    for (int32_t k = 0; k < $sources + $units; ++k) {
        const float value = k < $sources ? input[k] : neuron[k - $sources];
        const float *weight = weight_of_layer_$number + k * 4 * $units;
        for (int32_t i = 0; i < 4 * $units; ++i) {
            head[i] += value * weight[i];
        }
    }
    for (int32_t i = 0; i < $units; ++i) {
        const float from = hyperbolic_tangent(head[i]);
        const float to = hyperbolic_tangent(head[$units + i]);
        const float share = sigmoid(head[2 * $units + i] * dt + head[3 * $units + i]);
        neuron[i] = from + share * (to - from);
    }
}
