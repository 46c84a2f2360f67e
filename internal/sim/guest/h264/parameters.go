package h264

// SPS is the sequence parameter set: what all frames have in common.
func (e *Encoder) SPS() Unit {
	w := &bitWriter{}
	w.u(8, 66)   // profile_idc: Baseline
	w.u(8, 0xc0) // constraint_set0_flag, constraint_set1_flag: Constrained Baseline
	w.u(8, level(e.last.across*e.last.down))
	w.ue(0)                 // seq_parameter_set_id
	w.ue(0)                 // log2_max_frame_num_minus4
	w.ue(2)                 // pic_order_cnt_type: frames are shown as they come
	w.ue(1)                 // max_num_ref_frames
	w.u(1, 0)               // gaps_in_frame_num_value_allowed_flag
	w.ue(e.last.across - 1) // pic_width_in_mbs_minus1
	w.ue(e.last.down - 1)   // pic_height_in_map_units_minus1
	w.u(2, 3)               // frame_mbs_only_flag, direct_8x8_inference_flag
	right, bottom := (e.last.across*16-e.width)/2, (e.last.down*16-e.height)/2
	if right > 0 || bottom > 0 {
		w.u(1, 1) // frame_cropping_flag; the offsets count pairs of pixels
		w.ue(0)
		w.ue(right)
		w.ue(0)
		w.ue(bottom)
	} else {
		w.u(1, 0)
	}
	w.u(1, 1) // vui_parameters_present_flag
	w.u(2, 0) // aspect_ratio_info_present_flag, overscan_info_present_flag
	w.u(1, 1) // video_signal_type_present_flag
	w.u(3, 5) // video_format: unspecified
	w.u(2, 1) // video_full_range_flag 0, colour_description_present_flag 1
	for range 3 {
		w.u(8, 1) // primaries, transfer, matrix: BT.709
	}
	w.u(5, 0) // chroma_loc_info, timing_info, nal_hrd, vcl_hrd, pic_struct: none
	w.u(1, 1) // bitstream_restriction_flag: so that no decoder waits for more frames
	w.u(1, 1) // motion_vectors_over_pic_boundaries_flag
	w.ue(0)   // max_bytes_per_pic_denom: no limit
	w.ue(0)   // max_bits_per_mb_denom: no limit
	w.ue(0)   // log2_max_mv_length_horizontal
	w.ue(0)   // log2_max_mv_length_vertical
	w.ue(0)   // max_num_reorder_frames
	w.ue(1)   // max_dec_frame_buffering
	w.end()
	return unit(0x67, w.data)
}

// level is the lowest one, times ten, that has room for so many macroblocks in a frame. Their rate is not
// looked at: no decoder refuses for it.
func level(macroblocks int) uint32 {
	for _, l := range []struct {
		most  int
		level uint32
	}{{1620, 30}, {3600, 31}, {8192, 40}, {22080, 50}, {36864, 51}} {
		if macroblocks <= l.most {
			return l.level
		}
	}
	return 60
}

// PPS is the picture parameter set.
func (e *Encoder) PPS() Unit {
	w := &bitWriter{}
	w.ue(0)   // pic_parameter_set_id
	w.ue(0)   // seq_parameter_set_id
	w.u(2, 0) // entropy_coding_mode_flag (CAVLC), bottom_field_pic_order_in_frame_present_flag
	w.ue(0)   // num_slice_groups_minus1
	w.ue(0)   // num_ref_idx_l0_default_active_minus1
	w.ue(0)   // num_ref_idx_l1_default_active_minus1
	w.u(3, 0) // weighted_pred_flag, weighted_bipred_idc
	w.ue(0)   // pic_init_qp_minus26
	w.ue(0)   // pic_init_qs_minus26
	w.ue(0)   // chroma_qp_index_offset
	w.u(1, 1) // deblocking_filter_control_present_flag
	w.u(2, 0) // constrained_intra_pred_flag, redundant_pic_cnt_present_flag
	w.end()
	return unit(0x68, w.data)
}
