"""Operations on binary masks: cleaning and bridging gaps."""
