
/* $comment */
static void convolve_$number($in_type in, $statistics_in float *row, float *out)
{
    for (int32_t y = 0; y < $rows_out; ++y) {
        for (int32_t k = 0; k < $kernel_rows; ++k) {
            const int32_t from = y * $stride_rows + k - $pad_rows;
            float *to = row + k * $row_length;
            for (int32_t i = 0; i < $row_length; ++i) {
                to[i] = 0.0f;
            }
            if (from >= 0 && from < $rows_in) {
                for (int32_t i = 0; i < $row_in; ++i) {
                    to[$pad + i] = $value;
                }
            }
        }
        for (int32_t block = 0; block < $columns_out; block += $together) {
            const int32_t x = block < $last_block ? block : $last_block;
            float $sums;
            for (int32_t c = 0; c < $maps; ++c) {
                $begin
            }
            for (int32_t k = 0; k < $kernel_rows; ++k) {
                const float *start = row + k * $row_length + x * $step;
                for (int32_t i = 0; i < $kernel_row; ++i) {
                    const float *weight = weight_$number + (k * $kernel_row + i) * $maps;
                    const float $values;
                    for (int32_t c = 0; c < $maps; ++c) {
                        $add
                    }
                }
            }
            float *to = out + (y * $columns_out + x) * $maps;
            for (int32_t c = 0; c < $maps; ++c) {
                $rectify
            }
        }
    }
}
