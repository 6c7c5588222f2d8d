"""The doctor for data sets: what is wrong with a folder of images and masks, and a corrected copy of it."""
