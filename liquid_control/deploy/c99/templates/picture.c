
/* A positive number's square root: a guess from its exponent, and Newton's rule. */
static float square_root(float x)
{
    union { uint32_t bits; float number; } guess;
    guess.number = x;
    guess.bits = 0x1fbd1df5u + (guess.bits >> 1);
    float y = guess.number;
    for (int32_t i = 0; i < 4; ++i) {
        y = 0.5f * (y + x / y);
    }
    return y;
}

/* Mean and one over the deviation of all bytes; a deviation below 1 counts as 1. */
static void statistics(const uint8_t *image, float *mean, float *inverse)
{
    uint64_t sum = 0, squares = 0;
    for (int32_t i = 0; i < $bytes; ++i) {
        const uint32_t pixel = image[i];
        sum += pixel;
        squares += pixel * pixel;
    }
    const float variance = (float)(squares * ${bytes}u - sum * sum) / ((float)$bytes * (float)$bytes);
    *mean = (float)sum / (float)$bytes;
    *inverse = variance > 1.0f ? 1.0f / square_root(variance) : 1.0f;
}
$convolutions
/* The last maps as features between -1 and 1, normalised against each other. */
static void extract(const float *maps, float *feature)
{
    float mean = 0.0f, variance = 0.0f;
    for (int32_t i = 0; i < $features; ++i) {
        feature[i] = linear_bias[i];
    }
    for (int32_t group = 0; group < $groups; ++group) {
        for (int32_t i = 0; i < $group_inputs; ++i) {
            const float value = maps[i * $groups + group];
            const float *weight = linear_weight + (group * $group_inputs + i) * $group_features;
            for (int32_t j = 0; j < $group_features; ++j) {
                feature[group * $group_features + j] += value * weight[j];
            }
        }
    }
    for (int32_t i = 0; i < $features; ++i) {
        mean += feature[i];
    }
    mean /= $features.0f;
    for (int32_t i = 0; i < $features; ++i) {
        variance += (feature[i] - mean) * (feature[i] - mean);
    }
    const float inverse = 1.0f / square_root(variance / $features.0f + $floor);
    for (int32_t i = 0; i < $features; ++i) {
        feature[i] = hyperbolic_tangent((feature[i] - mean) * inverse * norm_gain[i] + norm_shift[i]);
    }
}
