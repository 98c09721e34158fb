$layers
/* The closed-form circuit, layer after layer. */
static void advance(const float *input, float dt, float *neuron, float *output)
{
$calls
    for (int32_t i = 0; i < $outputs; ++i) {
        output[i] = neuron[i];
    }
}
