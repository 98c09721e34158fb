
/* The liquid time-constant circuit: $unfolds semi-implicit steps of conductance synapses. */
static void advance(const float *input, float dt, float *neuron, float *output)
{
    float capacity[$neurons], numerator[$neurons], denominator[$neurons], open[$most_synapses];
    for (int32_t s = 0; s < $sensory; ++s) {
        open[s] = input[sensory_source[s]];
    }
    for (int32_t s = 0; s < $sensory; ++s) {
        open[s] = 1.0f / (1.0f + power_of_two(sensory_slope[s] * open[s] + sensory_offset[s]));
    }
    for (int32_t n = 0; n < $neurons; ++n) {
        capacity[n] = capacitance[n] * ($unfolds.0f / dt);
        float above = leak_potential[n], below = leak[n] + capacity[n];
        for (int32_t s = sensory_first[n]; s < sensory_first[n + 1]; ++s) {
            above += open[s] * sensory_reversal[s];
            below += open[s] * sensory_conductance[s];
        }
        numerator[n] = above;
        denominator[n] = below;
    }
    for (int32_t unfold = 0; unfold < $unfolds; ++unfold) {
        for (int32_t s = 0; s < $recurrent; ++s) {
            open[s] = neuron[recurrent_source[s]];
        }
        for (int32_t s = 0; s < $recurrent; ++s) {
            open[s] = 1.0f / (1.0f + power_of_two(recurrent_slope[s] * open[s] + recurrent_offset[s]));
        }
        for (int32_t n = 0; n < $neurons; ++n) {
            float above = numerator[n], below = denominator[n];
            for (int32_t s = recurrent_first[n]; s < recurrent_first[n + 1]; ++s) {
                above += open[s] * recurrent_reversal[s];
                below += open[s] * recurrent_conductance[s];
            }
            neuron[n] = (capacity[n] * neuron[n] + above) / below;
        }
    }
    for (int32_t i = 0; i < $outputs; ++i) {
        output[i] = neuron[i];
    }
}
